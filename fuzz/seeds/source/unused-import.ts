Timport { tool } from "toolwright";
import { parse } from "toolwright:csv"