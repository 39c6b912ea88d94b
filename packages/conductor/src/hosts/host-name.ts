/** What the name of a host or node may be: it stands in routing keys, account names and URLs. */
const HOST_NAME = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,253}[A-Za-z0-9])?$/;

export const isHostName = (name: string): boolean => HOST_NAME.test(name);
