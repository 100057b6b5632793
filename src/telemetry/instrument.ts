/** One value for each label of an instrument, in the labels' order. */
export type LabelValues<L extends readonly string[]> = { readonly [K in keyof L]: string };

export type Counter<L extends readonly string[] = []> = { add(amount: number, ...labels: LabelValues<L>): void };
/** Goes up and down, or is read from its owner when someone looks. */
export type Gauge<L extends readonly string[] = []> = {
  add(amount: number, ...labels: LabelValues<L>): void;
  set(value: number, ...labels: LabelValues<L>): void;
  /** From now on the values are those that `read` returns at the time of a scrape. */
  readFrom(read: () => Iterable<readonly [value: number, ...labels: LabelValues<L>]>): void;
};
export type Histogram<L extends readonly string[] = []> = { observe(value: number, ...labels: LabelValues<L>): void };

/** Instruments by name. An update is a look-up and an addition, some 50 ns: it may stand on any path. */
export type Registry = {
  counter<const L extends readonly string[]>(name: string, help: string, labels: L): Counter<L>;
  gauge<const L extends readonly string[]>(name: string, help: string, labels: L): Gauge<L>;
  /** `bounds` are the upper ends of its buckets, ascending. */
  histogram<const L extends readonly string[]>(name: string, help: string, labels: L, bounds: readonly number[]): Histogram<L>;
  /** All values as text. Source: Prometheus text exposition format 0.0.4. */
  render(): string;
};

/** Label values that an instrument keeps apart. What comes after counts together, every label `other`: a caller may invent names without end. */
export const seriesMax = 1_000;

export function createRegistry(): Registry {
  const families: (() => string)[] = [];

  const register = (type: string, name: string, help: string, samples: () => Iterable<string>): void => {
    families.push(() => `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${[...samples()].join("")}`);
  };

  return {
    counter: (name, help, labels) => {
      const series = seriesOf(labels, () => ({ value: 0 }));
      register("counter", name, help, () => series.map((values, { value }) => sample(name, labels, values, value)));
      return {
        add: (amount, ...values) => {
          series.get(values).value += amount;
        },
      };
    },

    gauge: (name, help, labels) => {
      const series = seriesOf(labels, () => ({ value: 0 }));
      let read = (): readonly string[] => series.map((values, { value }) => sample(name, labels, values, value));
      register("gauge", name, help, () => read());
      return {
        add: (amount, ...values) => {
          series.get(values).value += amount;
        },
        set: (value, ...values) => {
          series.get(values).value = value;
        },
        readFrom: (reader) => {
          read = () => [...reader()].map(([value, ...values]) => sample(name, labels, values, value));
        },
      };
    },

    histogram: (name, help, labels, bounds) => {
      const series = seriesOf(labels, () => ({ buckets: new Float64Array(bounds.length + 1), sum: 0 }));
      register("histogram", name, help, () =>
        series.map((values, { buckets, sum }) => {
          let below = 0;
          const lines = [...buckets].map((count, index) => {
            below += count;
            return sample(`${name}_bucket`, [...labels, "le"], [...values, String(bounds[index] ?? "+Inf")], below);
          });
          return lines.join("") + sample(`${name}_sum`, labels, values, sum) + sample(`${name}_count`, labels, values, below);
        }),
      );
      return {
        observe: (value, ...values) => {
          const one = series.get(values);
          let index = 0;
          while (index < bounds.length && value > (bounds[index] ?? 0)) index++;
          one.buckets[index] = (one.buckets[index] ?? 0) + 1;
          one.sum += value;
        },
      };
    },

    render: () => families.map((family) => family()).join(""),
  };
}

function seriesOf<T>(labels: readonly string[], create: () => T) {
  const byKey = new Map<string, { readonly values: readonly string[]; readonly state: T }>();
  const other = labels.map(() => "other");
  const find = (values: readonly string[]): T | undefined => byKey.get(keyOf(values))?.state;
  const insert = (values: readonly string[]): T => {
    const state = create();
    byKey.set(keyOf(values), { values, state });
    return state;
  };
  // Without labels there is one series, and it is there (as zero) from the start.
  if (labels.length === 0) insert([]);
  return {
    get: (values: readonly string[]): T => find(values) ?? (byKey.size < seriesMax ? insert(values) : (find(other) ?? insert(other))),
    map: (line: (values: readonly string[], state: T) => string): readonly string[] =>
      [...byKey.values()].map(({ values, state }) => line(values, state)),
  };
}

const keyOf = (values: readonly string[]): string => (values.length === 1 ? (values[0] ?? "") : values.join("\n"));

function sample(name: string, labels: readonly string[], values: readonly string[], value: number): string {
  const pairs = labels.map((label, index) => `${label}="${escapeLabel(values[index] ?? "")}"`);
  return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}\n`;
}

const escapeLabel = (value: string): string => value.replace(/[\\"\n]/g, (found) => (found === "\n" ? "\\n" : `\\${found}`));
