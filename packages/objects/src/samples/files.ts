import { encoderFor } from '@kilonova/rpc';
import { computeContract } from '../contracts/compute.ts';
import { conductorContract } from '../contracts/conductor/index.ts';
import { hostReportsContract } from '../contracts/host-reports.ts';
import { schedulerContract } from '../contracts/scheduler.ts';
import { MAJOR, MINOR } from '../history.ts';
import { messageClasses, outlineOf, sampleOf } from './sample.ts';

const contracts = [computeContract, conductorContract, hostReportsContract, schedulerContract];

export const classes = messageClasses(contracts, MINOR);

/** File name below `samples/` to content, for one minor. */
export function samplesOf(minor: number): ReadonlyMap<string, string> {
  const folder = `${MAJOR}.${minor}`;
  const files = new Map<string, string>();
  const text = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
  for (const [name, type] of [...messageClasses(contracts, minor)].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    files.set(`${folder}/${name}.json`, text(encoderFor(type, minor)(sampleOf(type))));
  }
  for (const contract of contracts) files.set(`${folder}/contract-${contract.topic}.json`, text(outlineOf(contract, MAJOR, minor)));
  return files;
}
