// Amounts of money in other currencies, at the rates of an exchange-rate service. The service wants a key: it is the secret RATES_KEY, which
// this tool never has; only a placeholder of it goes into the request. The environment value RATES_URL names another service that speaks as
// openexchangerates.org does.
import { tool, ToolError } from "toolwright";
import { Decimal } from "toolwright:decimal";

const SERVICE = "https://openexchangerates.org/api";

interface Rates {
  timestamp: number;
  base: string;
  rates: Record<string, number>;
}

const CURRENCY = { type: "string", pattern: "^[A-Za-z]{3}$", description: "ISO 4217, for example EUR" } as const;

export default tool({
  name: "exchange_rates",
  title: "Exchange rates",
  description:
    "Converts an amount of money into one or more currencies at the current rates, exactly and rounded to the currency's usual places. " +
    "Gives the rates and the time that they are of.",
  input: {
    type: "object",
    properties: {
      amount: { type: "string", description: "A decimal number, for example 12.50", pattern: "^\\d{1,15}(\\.\\d{1,6})?$", default: "1" },
      from: CURRENCY,
      to: { type: "array", items: CURRENCY, minItems: 1, maxItems: 20 },
    },
    required: ["from", "to"],
    additionalProperties: false,
  },
  output: {
    type: "object",
    properties: {
      amount: { type: "string" },
      from: { type: "string" },
      at: { type: "string", format: "date-time", description: "The time of the rates" },
      results: {
        type: "array",
        items: {
          type: "object",
          properties: { currency: { type: "string" }, rate: { type: "string" }, amount: { type: "string" } },
          required: ["currency", "rate", "amount"],
        },
      },
    },
    required: ["amount", "from", "at", "results"],
  },
  annotations: { readOnlyHint: true, openWorldHint: true },
  async run({ amount = "1", from, to }, ctx) {
    const source = from.toUpperCase();
    const targets = [...new Set(to.map((currency: string) => currency.toUpperCase()))] as string[];
    const { rates, timestamp } = await ask([source, ...targets], ctx);
    const results = targets.map((currency) => {
      const rate = rateOf(rates, currency).dividedBy(rateOf(rates, source));
      return { currency, rate: rate.toSignificantDigits(10).toString(), amount: rate.times(amount).toFixed(placesOf(currency)) };
    });
    return { amount, from: source, at: new Date(timestamp * 1000).toISOString(), results };
  },
});

/** The rates of some currencies, all to the service's own base. */
async function ask(currencies: string[], ctx: { env(name: string): string | undefined; secret(name: string): string }): Promise<Rates> {
  const url = new URL(`${ctx.env("RATES_URL") ?? SERVICE}/latest.json`);
  url.searchParams.set("symbols", [...new Set(currencies)].join(","));
  const response = await fetch(url, { headers: { authorization: `Token ${ctx.secret("RATES_KEY")}` } });
  if (response.status === 401) throw new ToolError("the exchange-rate service does not take the key: set the secret RATES_KEY");
  if (response.status === 429) throw new ToolError("the exchange-rate service allows no more requests for now: try again later");
  if (!response.ok) throw new ToolError(`the exchange-rate service answered ${response.status}`);
  const answer: Rates = await response.json();
  if (typeof answer.rates !== "object" || answer.rates === null || !Number.isFinite(answer.timestamp)) {
    throw new ToolError("the exchange-rate service answered without rates");
  }
  // The base need not be among the rates.
  return { ...answer, rates: { [answer.base]: 1, ...answer.rates } };
}

function rateOf(rates: Record<string, number>, currency: string): Decimal {
  const rate = Object.hasOwn(rates, currency) ? rates[currency] : undefined;
  if (typeof rate !== "number" || !(rate > 0)) throw new ToolError(`there is no rate for ${currency}: currencies are codes of ISO 4217, such as EUR`);
  return new Decimal(rate);
}

// ISO 4217: the currencies whose minor unit is not a hundredth.
const PLACES: Record<string, number> = {
  BIF: 0, CLP: 0, DJF: 0, GNF: 0, ISK: 0, JPY: 0, KMF: 0, KRW: 0, PYG: 0, RWF: 0, UGX: 0, UYI: 0, VND: 0, VUV: 0, XAF: 0, XOF: 0, XPF: 0,
  BHD: 3, IQD: 3, JOD: 3, KWD: 3, LYD: 3, OMR: 3, TND: 3,
};

function placesOf(currency: string): number {
  return PLACES[currency] ?? 2;
}
