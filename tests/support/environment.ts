/** Throws with the way to get it: a test that needs a real service never skips itself silently. */
export function serviceAddress(name: 'KILONOVA_TEST_AMQP_URL' | 'KILONOVA_TEST_PG_URL' | 'KILONOVA_TEST_BROKER_CONTROL'): string {
  const value = process.env[name];
  if (value === undefined || value === '')
    throw new Error(`${name} is not set: run \`npm test\`, or \`npm run services -- COMMAND\`, which start the services and set it`);
  return value;
}
