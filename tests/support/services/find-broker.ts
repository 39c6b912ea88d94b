import type { Broker } from './broker.ts';
import { dockerAnswers, DockerBroker } from './docker-broker.ts';
import { NamedBroker } from './named-broker.ts';
import { installedRabbitmq, PrivateBroker } from './private-broker.ts';
import { installPackages, mayInstallPackages } from './debian-packages.ts';

/** The ways to a RabbitMQ, in the order they are tried. */
const WAYS = [
  'KILONOVA_TEST_AMQP_URL=amqp://user:password@host:port names a running RabbitMQ',
  'Docker answers on its socket, and can pull or has the image rabbitmq',
  'rabbitmq-server is installed (it is started privately, with its own ports and data)',
  'Debian or Ubuntu as root with a package mirror: rabbitmq-server is installed by apt-get',
];

export interface FindBrokerOptions {
  /** Made when needed. */
  readonly dir: string;
  readonly say: (line: string) => void;
}

/** The first way that works. A way that is present and fails is told in a line and the next is tried; when none is left, an error names them all. */
export async function findBroker({ dir, say }: FindBrokerOptions): Promise<Broker> {
  const named = process.env['KILONOVA_TEST_AMQP_URL'];
  if (named !== undefined && named !== '') return NamedBroker.open(named); // named and not there is the caller's mistake: no other is taken silently
  const attempts: readonly [name: string, present: () => Promise<boolean>, start: () => Promise<Broker>][] = [
    ['Docker', dockerAnswers, () => DockerBroker.start()],
    ['the installed rabbitmq-server', async () => installedRabbitmq() !== undefined, () => PrivateBroker.start(dir)],
    [
      'apt-get install rabbitmq-server',
      async () => installedRabbitmq() === undefined && mayInstallPackages(),
      async () => {
        await installPackages(['rabbitmq-server'], say);
        return PrivateBroker.start(dir);
      },
    ],
  ];
  const reasons: string[] = [];
  for (const [name, present, start] of attempts) {
    if (!(await present())) continue;
    try {
      return await start();
    } catch (error) {
      const reason = `${name} is present but fails: ${error instanceof Error ? error.message : String(error)}`;
      reasons.push(reason);
      say(`${reason}; trying the next way`);
    }
  }
  const ways = WAYS.map((way, index) => `  ${index + 1}. ${way}`).join('\n');
  throw new Error(
    `the tests need a real RabbitMQ, and none of the four ways to one works here:\n${ways}${reasons.map((reason) => `\n${reason}`).join('')}`,
  );
}
