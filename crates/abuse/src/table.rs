//! What the suite prints.

use std::time::Duration;

use crate::{
    case::{Case, Row},
    elsewhere::ELSEWHERE,
};

/// Names the columns.
pub(crate) fn print_head() {
    println!("{:<9} {:<52} {:<58} {:>7} {:>9} {:>8} {:>8}", "what", "case", "outcome", "ms", "kept MiB", "p99 bef.", "p99 dur.");
}

/// One case.
pub(crate) fn print(case: &Case, row: &Row) {
    let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
    println!(
        "{:<9} {:<52} {:<58} {:>7.0} {:>9} {:>8.1} {:>8.1}{}",
        case.paragraph,
        case.name,
        row.outcome,
        ms(row.took),
        row.kept_kib / 1024,
        ms(row.before.p99),
        ms(row.during.p99),
        if row.miss.is_some() { "  <- MISS" } else { "" },
    );
    if let Some(miss) = &row.miss {
        println!("          {miss}");
    }
}

/// What was missed, and how many were not.
pub(crate) fn print_end(cases: &[Case], missed: &[String], took: Duration) {
    println!();
    for (what, where_) in ELSEWHERE {
        println!("not here: {what:<50} {where_}");
    }
    println!();
    for miss in missed {
        println!("MISS {miss}");
    }
    println!("{} cases, {} missed, {:.0} s", cases.len(), missed.len(), took.as_secs_f64());
}
