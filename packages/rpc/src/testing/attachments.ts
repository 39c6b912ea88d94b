// What a transport promises of long texts and bytes, which travel beside the JSON. Run by the tests of each.
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  call,
  cast,
  createClient,
  defineContract,
  Exclude,
  Expose,
  MessageTooLarge,
  serve,
  stream,
  Type,
  type Transport,
} from '../index.ts';
import { eventually, type Bench } from './bench.ts';

@Exclude()
class Page {
  @Expose() @Type(() => String) text!: string;
  @Expose() title = '';
}

@Exclude()
class Book {
  @Expose() @Type(() => Uint8Array) cover!: Uint8Array;
  @Expose() @Type(() => Page) pages: Page[] = [];
  @Expose() @Type(() => String) note: string | null = null;
}

const contract = defineContract({
  topic: 'books',
  version: '1.0',
  methods: {
    copy: call({ since: '1.0', request: Book, response: Book }),
    keep: cast({ since: '1.0', request: Book }),
    list: stream({ since: '1.0', request: Book, item: Book }),
  },
});

const page = (text: string, title = '') => Object.assign(new Page(), { text, title });
const book = (over: Partial<Book>) => Object.assign(new Book(), { cover: new Uint8Array() }, over);
/** As plain values: bytes come as a view of the message. */
const plain = ({ cover, pages, note }: Book) => ({ cover: [...cover], pages: pages.map((each) => ({ ...each })), note });

const LONG = 5_000;
const BOOKS: readonly (readonly [string, Book])[] = [
  [
    'long texts',
    book({ pages: [page('a'.repeat(LONG)), page('b'.repeat(LONG), 'short'), page('c', 'd'.repeat(LONG))], note: 'e'.repeat(LONG) }),
  ],
  ['texts of other alphabets', book({ pages: [page('grüße '.repeat(LONG)), page('🌍'.repeat(LONG)), page(`${'x'.repeat(LONG)}é`)] })],
  ['half a surrogate pair', book({ pages: [page(`${'x'.repeat(LONG)}\ud83c`)] })],
  ['a byte order mark', book({ note: `\ufeff${'x'.repeat(LONG)}` })],
  ['what JSON escapes', book({ note: '"\\\n\u0000\u2028'.repeat(LONG) })],
  ['bytes', book({ cover: Uint8Array.from({ length: 1_000 }, (_, index) => index % 256) })],
  ['no bytes', book({})],
];

export function describeAttachments(open: () => Promise<Bench>): void {
  let bench: Bench;
  let near: Transport;
  const kept: Book[] = [];

  beforeEach(async () => {
    kept.length = 0;
    bench = await open();
    near = await bench.connect('near', '1');
    await serve(await bench.connect('far', '1'), contract, {
      copy: (_context, request) => request,
      keep: (_context, request) => void kept.push(request),
      list: (_context, request) => [[request, request]],
    });
  });
  afterEach(() => bench.close());

  test.each(BOOKS)('%s arrive as they left, by call, cast and stream', async (_title, sent) => {
    const client = createClient(near, contract);
    expect(plain(await client.copy(sent))).toEqual(plain(sent));
    await client.keep(sent);
    await eventually(() => kept.length === 1);
    expect(plain(kept[0] as Book)).toEqual(plain(sent));
    const streamed: Book[] = [];
    for await (const pieces of client.list(sent)) streamed.push(...pieces);
    expect(streamed.map(plain)).toEqual([plain(sent), plain(sent)]);
  });

  test('what goes beside the JSON counts for the limit', async () => {
    const client = createClient(near, contract);
    await expect(client.copy(book({ cover: new Uint8Array(near.limits.maxMessageBytes) }))).rejects.toBeInstanceOf(MessageTooLarge);
    await expect(client.keep(book({ note: 'x'.repeat(near.limits.maxMessageBytes) }))).rejects.toBeInstanceOf(MessageTooLarge);
  });
}
