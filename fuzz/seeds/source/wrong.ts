Tconst é = "€€€" oops;
let twice = 1;
let twice = 2;
@log class B {}
import "nowhere";
with (a) b;
