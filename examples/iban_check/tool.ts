// Checks an IBAN (ISO 13616): country, length, structure of the national part, and the check digits (ISO 7064, MOD 97-10).
import { tool, ToolError } from "toolwright";

// The national part by country: a count and a kind for each run of characters (n digits, a capital letters, c either).
const STRUCTURES: Record<string, string> = {
  AD: "4n4n12c", AE: "3n16n", AL: "8n16c", AT: "5n11n", AZ: "4a20c", BA: "3n3n8n2n", BE: "3n7n2n", BG: "4a4n2n8c",
  BH: "4a14c", BR: "8n5n10n1a1c", BY: "4c4n16c", CH: "5n12c", CR: "4n14n", CY: "3n5n16c", CZ: "4n6n10n", DE: "8n10n",
  DK: "4n9n1n", DO: "4c20n", EE: "2n2n11n1n", EG: "4n4n17n", ES: "4n4n1n1n10n", FI: "3n11n", FO: "4n9n1n", FR: "5n5n11c2n",
  GB: "4a6n8n", GE: "2a16n", GI: "4a15c", GL: "4n9n1n", GR: "3n4n16c", GT: "4c20c", HR: "7n10n", HU: "3n4n1n15n1n",
  IE: "4a6n8n", IL: "3n3n13n", IQ: "4a3n12n", IS: "4n2n6n10n", IT: "1a5n5n12c", JO: "4a4n18c", KW: "4a22c", KZ: "3n13c",
  LB: "4n20c", LC: "4a24c", LI: "5n12c", LT: "5n11n", LU: "3n13c", LV: "4a13c", LY: "3n3n15n", MC: "5n5n11c2n",
  MD: "2c18c", ME: "3n13n2n", MK: "3n10c2n", MR: "5n5n11n2n", MT: "4a5n18c", MU: "4a2n2n12n3n3a", NL: "4a10n", NO: "4n6n1n",
  PK: "4a16c", PL: "8n16n", PS: "4a21c", PT: "4n4n11n2n", QA: "4a21c", RO: "4a16c", RS: "3n13n2n", SA: "2n18c",
  SC: "4a2n2n16n3a", SE: "3n16n1n", SI: "5n8n2n", SK: "4n6n10n", SM: "1a5n5n12c", ST: "4n4n11n2n", SV: "4a20n", TL: "3n14n2n",
  TN: "2n3n13n2n", TR: "5n1n16c", UA: "6n19c", VA: "3n15n", VG: "4a16n", XK: "4n10n2n",
};

interface Answer {
  valid: boolean;
  iban: string;
  formatted: string;
  country?: string;
  bank_code?: string;
  problem?: string;
}

export default tool({
  name: "iban_check",
  title: "IBAN check",
  description:
    "Checks whether an international bank account number (IBAN) is well formed: country, length, structure and check digits. " +
    "It cannot tell whether the account exists. Spaces and dashes are ignored.",
  input: {
    type: "object",
    properties: {
      iban: { type: "string", description: "The number as printed, for example DE89 3704 0044 0532 0130 00", minLength: 1, maxLength: 64 },
    },
    required: ["iban"],
    additionalProperties: false,
  },
  output: {
    type: "object",
    properties: {
      valid: { type: "boolean" },
      iban: { type: "string", description: "Without spaces, in capitals" },
      formatted: { type: "string", description: "In groups of four" },
      country: { type: "string", description: "ISO 3166-1 alpha-2" },
      bank_code: { type: "string", description: "The first part of the national number: the bank, in most countries" },
      problem: { type: "string", description: "What is wrong, and what would be right" },
    },
    required: ["valid", "iban", "formatted"],
  },
  annotations: { readOnlyHint: true, idempotentHint: true, openWorldHint: false },
  examples: [{ input: { iban: "GB29 NWBK 6016 1331 9268 19" } }],
  run({ iban }: { iban: string }): Answer {
    const compact = iban.replace(/[\s-]/g, "").toUpperCase();
    if (compact === "") throw new ToolError("there is no number in `iban`: give one such as DE89 3704 0044 0532 0130 00");
    const country = compact.slice(0, 2);
    const answer: Answer = { valid: false, iban: compact, formatted: compact.replace(/(.{4})(?=.)/g, "$1 ") };
    const problem = findProblem(compact);
    if (country in STRUCTURES) answer.country = country;
    if (problem !== undefined) return { ...answer, problem };
    return { ...answer, valid: true, bank_code: bankCode(compact) };
  },
});

function findProblem(iban: string): string | undefined {
  if (!/^[A-Z]{2}\d{2}[A-Z0-9]+$/.test(iban)) {
    return "an IBAN is two letters for the country, two check digits, then letters and digits";
  }
  const country = iban.slice(0, 2);
  const structure = STRUCTURES[country];
  if (structure === undefined) return `no country that uses IBANs has the code ${country}`;
  const length = 4 + parts(structure).reduce((sum, [count]) => sum + count, 0);
  if (iban.length !== length) return `an IBAN of ${country} has ${length} characters, this one has ${iban.length}`;
  if (!pattern(structure).test(iban.slice(4))) return `the national part does not have the form of ${country} (${structure})`;
  const expected = checkDigits(iban);
  if (expected !== iban.slice(2, 4)) return `the check digits are ${iban.slice(2, 4)} and would have to be ${expected}: a digit is wrong or two are swapped`;
  return undefined;
}

function parts(structure: string): [number, string][] {
  return [...structure.matchAll(/(\d+)([nac])/g)].map(([, count, kind]) => [Number(count), kind]);
}

function pattern(structure: string): RegExp {
  const classes: Record<string, string> = { n: "\\d", a: "[A-Z]", c: "[A-Z0-9]" };
  return new RegExp(`^${parts(structure).map(([count, kind]) => `${classes[kind]}{${count}}`).join("")}$`);
}

/** ISO 7064, MOD 97-10: what makes the number, with its head moved to its end and letters as 10 to 35, leave 1 when divided by 97. */
function checkDigits(iban: string): string {
  const digits = [...`${iban.slice(4)}${iban.slice(0, 2)}00`].map((character) => parseInt(character, 36)).join("");
  let remainder = 0;
  for (const digit of digits) remainder = (remainder * 10 + Number(digit)) % 97;
  return String(98 - remainder).padStart(2, "0");
}

function bankCode(iban: string): string {
  const [[count]] = parts(STRUCTURES[iban.slice(0, 2)]);
  return iban.slice(4, 4 + count);
}
