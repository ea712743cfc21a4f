// Decimal numbers without rounding surprises, by decimal.js.
import { Decimal } from "decimal.js";

export { Decimal };
export default Decimal;
