// Enough of a scanner to tell code from comments and strings. It does not know regular expressions, whose quotes are
// rare; positions and lines stay as they are.

const TOKENS = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\[\s\S]|[^`\\])*`/g;
const blank = (piece) => piece.replace(/[^\n]/g, ' ');

/** The text with every comment replaced by blanks. */
export const commentsBlanked = (text) =>
  text.replace(TOKENS, (token) => (token.startsWith('//') || token.startsWith('/*') ? blank(token) : token));

/** The text without comments, with the contents of plain strings replaced by blanks; template strings stay, they hold code. */
export const stringsBlanked = (text) =>
  text.replace(TOKENS, (token) =>
    token.startsWith('`') || token.startsWith('/') ? token : `${token[0]}${blank(token.slice(1, -1))}${token[0]}`,
  );
