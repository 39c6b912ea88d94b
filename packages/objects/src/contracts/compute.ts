import { cast, defineContract } from '@kilonova/rpc';
import { version } from '../history.ts';
import {
  FinishIncomingOperation,
  MigrateOutOperation,
  OperationInquiry,
  PowerOperation,
  PrepareIncomingOperation,
  RebootOperation,
  RemoveOperation,
  SpawnOperation,
  TakeBackOperation,
} from '../objects/operation.ts';

/** Orders to one host. Each is recognised by its operation id, so saying it twice is saying it once. */
export const computeContract = defineContract({
  topic: 'compute',
  version,
  exchange: 'to-hosts',
  delivery: { failure: { outcome: 'drop' } }, // the database remembers, and asks again
  methods: {
    spawn: cast({ since: '1.0', request: SpawnOperation }),
    remove: cast({ since: '1.0', request: RemoveOperation }),
    powerOn: cast({ since: '1.0', request: PowerOperation }),
    powerOff: cast({ since: '1.0', request: PowerOperation }),
    reboot: cast({ since: '1.0', request: RebootOperation }),
    prepareIncoming: cast({ since: '1.0', request: PrepareIncomingOperation }),
    migrateOut: cast({ since: '1.0', request: MigrateOutOperation }),
    finishIncoming: cast({ since: '1.0', request: FinishIncomingOperation }),
    takeBack: cast({ since: '1.0', request: TakeBackOperation }),
    inquire: cast({ since: '1.0', request: OperationInquiry }),
  },
});
