// Decimal numbers without rounding surprises, by decimal.js.
import { Decimal } from "decimal.js";

// Sums of money stay exact for as long as they are shorter than this; the package's own 20 digits are few.
Decimal.set({ precision: 50 });

export { Decimal };
export default Decimal;
