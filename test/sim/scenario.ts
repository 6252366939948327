/** What a run measured: numbers, or tables of them. */
export interface Figures {
  readonly [name: string]: number | Figures;
}

export interface Outcome {
  readonly figures: Figures;
  /** Promises that did not hold, each with the virtual time and who was concerned. */
  readonly broken: readonly string[];
}

export interface ScenarioOptions {
  readonly nodes: number;
  readonly seed: number;
  /** Tells of progress; not part of the result. */
  readonly log: (line: string) => void;
}

/** One kind of life of a registry network. The same options give the same outcome. */
export interface Scenario {
  readonly name: string;
  readonly description: string;
  run(options: ScenarioOptions): Promise<Outcome>;
}
