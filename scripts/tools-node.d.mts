/** See tools-node.mjs. */
export const root: string;
export const toolsNode: string;
export function runUnderToolsNode(script: string): void;
