import { cast, defineContract } from '@kilonova/rpc';
import { version } from '../history.ts';
import { OperationInquiry, PowerOperation, RebootOperation, RemoveOperation, SpawnOperation } from '../objects/operation.ts';

/** Orders to one host. Each is recognised by its operation id, so saying it twice is saying it once. */
export const computeContract = defineContract({
  topic: 'compute',
  version,
  exchange: 'to-hosts',
  methods: {
    spawn: cast({ since: '1.0', request: SpawnOperation }),
    remove: cast({ since: '1.0', request: RemoveOperation }),
    powerOn: cast({ since: '1.0', request: PowerOperation }),
    powerOff: cast({ since: '1.0', request: PowerOperation }),
    reboot: cast({ since: '1.0', request: RebootOperation }),
    inquire: cast({ since: '1.0', request: OperationInquiry }),
  },
});
