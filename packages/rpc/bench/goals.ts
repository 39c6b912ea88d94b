// What the bench is asked to show, as data: each goal is held against every cell that it is about.
import type { Cell } from './cell.ts';
import type { Outcome } from './peer.ts';

/** The outcomes of one turn of all peers in a cell, by peer. */
export type Round = ReadonlyMap<string, Outcome>;

interface Goal {
  readonly name: string;
  readonly about: (cell: Cell) => boolean;
  /** One figure of one round; NaN where a peer is missing. */
  readonly figure: (round: Round) => number;
  readonly atLeast?: number;
  readonly atMost?: number;
}

export interface Verdict {
  readonly goal: string;
  readonly cell: Omit<Cell, 'milliseconds'>;
  /** The median of the rounds. */
  readonly measured: number;
  readonly wanted: string;
  readonly met: boolean;
}

const of = (round: Round, peer: string, figure: keyof Outcome) => round.get(peer)?.[figure] ?? Number.NaN;
const rateAgainst = (peer: string, other: string) => (round: Round) => of(round, peer, 'perSecond') / of(round, other, 'perSecond');
const small = ({ bytes }: Cell) => bytes <= 4_096;
const callAt = (concurrency: number) => (cell: Cell) => cell.op === 'call' && cell.concurrency === concurrency;

const GOALS: readonly Goal[] = [
  { name: 'calls/s against raw', about: (cell) => callAt(1)(cell) && small(cell), figure: rateAgainst('kilonova', 'raw'), atLeast: 0.9 },
  {
    name: 'calls/s against raw',
    about: (cell) => (callAt(32)(cell) || callAt(256)(cell)) && small(cell),
    figure: rateAgainst('kilonova', 'raw'),
    atLeast: 1,
  },
  {
    name: 'calls/s against raw',
    about: (cell) => callAt(32)(cell) && cell.bytes === 65_536,
    figure: rateAgainst('kilonova', 'raw'),
    atLeast: 0.9,
  },
  ...(['clientUs', 'serverUs'] as const).map((side) => ({
    name: `CPU of the ${side === 'clientUs' ? 'client' : 'server'} per call, µs`,
    about: (cell: Cell) => callAt(32)(cell) && small(cell) && cell.queue === 'classic',
    figure: (round: Round) => of(round, 'kilonova', side),
    atMost: 45,
  })),
  {
    name: 'p50 above raw, µs',
    about: (cell) => callAt(1)(cell) && small(cell) && cell.queue === 'classic',
    figure: (round) => (of(round, 'kilonova', 'p50Ms') - of(round, 'raw', 'p50Ms')) * 1_000,
    atMost: 40,
  },
  {
    name: 'confirmed casts/s',
    about: ({ op, queue, bytes, concurrency }) => op === 'cast' && queue === 'classic' && bytes === 200 && concurrency === 256,
    figure: (round) => of(round, 'kilonova', 'perSecond'),
    atLeast: 15_000,
  },
  {
    name: 'confirmed casts/s against raw',
    about: (cell) => cell.op === 'cast' && cell.queue === 'quorum' && small(cell),
    figure: rateAgainst('kilonova', 'raw'),
    atLeast: 0.9,
  },
  ...['kilonova', 'codec'].flatMap((peer) =>
    ([1, 32] as const).map((concurrency) => ({
      name: `calls/s of ${peer === 'codec' ? 'the oslo codec' : 'the native codec'} against oslo.messaging`,
      about: (cell: Cell) => callAt(concurrency)(cell) && small(cell) && cell.queue === 'classic',
      figure: rateAgainst(peer, 'oslo'),
      atLeast: concurrency === 1 ? 2.5 : 10,
    })),
  ),
];

/** What the rounds of a cell say about the goals that it belongs to; nothing about those whose peers were not there. */
export function judge(cell: Cell, rounds: readonly Round[]): readonly Verdict[] {
  const { milliseconds: _, ...what } = cell;
  return GOALS.filter(({ about }) => about(cell)).flatMap(({ name, figure, atLeast, atMost }) => {
    const measured = median(rounds.map(figure));
    if (Number.isNaN(measured)) return [];
    const met = measured >= (atLeast ?? Number.NEGATIVE_INFINITY) && measured <= (atMost ?? Number.POSITIVE_INFINITY);
    return [{ goal: name, cell: what, measured, wanted: atLeast === undefined ? `<= ${atMost}` : `>= ${atLeast}`, met }];
  });
}

export function median(numbers: readonly number[]): number {
  return numbers.toSorted((one, other) => one - other)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}
