import type { FaultKind } from './fault.ts';
import { lostHosts } from './lost-host.ts';
import { messageFaults } from './messages.ts';
import { networkFaults } from './network.ts';
import { processFaults } from './processes.ts';
import { serviceFaults } from './services.ts';

export const faultKinds: readonly FaultKind[] = [...processFaults, ...networkFaults, ...serviceFaults, ...messageFaults, ...lostHosts];
