import type { paths } from "../generated/openapi.js";
import { ACTION, type CallOptions, type Transport, idPath } from "./transport.js";

type Verb = "get" | "post" | "put" | "patch" | "delete";

/** A method and a path of the HTTP API: `GET /api/agents/{agent_id}`. */
export type Route = {
  [Path in keyof paths]: {
    [Method in Verb]: paths[Path][Method] extends { responses: object } ? `${Uppercase<Method>} ${Path}` : never;
  }[Verb];
}[keyof paths];

type Operation<R extends Route> = R extends `${infer Method} ${infer Path extends keyof paths}`
  ? paths[Path][Lowercase<Method> & Verb]
  : never;
type JsonOf<Message> = Message extends { content: { "application/json": infer Json } } ? Json : never;
type JsonsOf<Responses> = { [Status in keyof Responses]: JsonOf<Responses[Status]> }[keyof Responses];

/** The JSON body of a route; never if it has none. */
export type BodyOf<R extends Route> = Operation<R> extends { requestBody?: infer Body } ? JsonOf<Body> : never;

/** The response of a route. */
export type ResultOf<R extends Route> = Operation<R> extends { responses: infer Responses }
  ? [JsonsOf<Responses>] extends [never]
    ? void
    : JsonsOf<Responses>
  : never;

/** The query fields of a route, except those of streams. */
export type QueryOf<R extends Route> = Operation<R> extends { parameters: { query?: infer Query } }
  ? [NonNullable<Query>] extends [never]
    ? unknown
    : Omit<NonNullable<Query>, "stream" | "after" | "events" | "timings" | "ticket">
  : unknown;

type Ids<Text extends string> = Text extends `${string}{${string}}${infer Rest}` ? [id: string | number, ...Ids<Rest>] : [];
/** Optional fields may also be null, and are then omitted. */
type Nullable<Fields> = { [Name in keyof Fields]: undefined extends Fields[Name] ? Fields[Name] | null : Fields[Name] };
type Options<R extends Route> = CallOptions & Nullable<QueryOf<R>>;

/** The ids of the path, then the body, then options: the query fields and the request options. */
export type ArgumentsOf<R extends Route> = [
  ...ids: Ids<R>,
  ...body: [BodyOf<R>] extends [never] ? [] : [body: BodyOf<R>],
  ...options: object extends Options<R> ? [options?: Options<R>] : [options: Options<R>],
];

/** A promise of the first page. `for await` iterates over the items of all pages. */
export type Answer<Result> = Promise<Result> & (Result extends { items: readonly (infer Item)[] } ? AsyncIterable<Item> : unknown);

export type Calls<Routes extends Record<string, Route>> = {
  readonly [Name in keyof Routes]: (...args: ArgumentsOf<Routes[Name]>) => Answer<ResultOf<Routes[Name]>>;
};

/** Other POSTs without a body. */
const BODILESS = /\/(checkpoints|restore)$/;

/** Functions for the named routes. */
export function calls<const Routes extends Record<string, Route>>(transport: Transport, routes: Routes): Calls<Routes> {
  const functions = Object.entries(routes).map(([name, route]) => [name, (...args: unknown[]) => call(transport, route, args)]);
  return Object.fromEntries(functions) as Calls<Routes>;
}

/** Calls a route with its arguments (see `ArgumentsOf`). */
export function call(transport: Transport, route: string, args: readonly unknown[]): unknown {
  const rest = [...args];
  const [method = "", template = ""] = route.split(" ");
  const path = template.replace(/\{\w+\}/g, () => idPath(String(rest.shift())));
  const body = method.startsWith("P") && !ACTION.test(path) && !BODILESS.test(path) ? rest.shift() : undefined;
  const options = rest.shift() as CallOptions | undefined;
  const load = (query: object = {}) => transport.json<Page>(method, path, body, { ...options, ...query });
  const first = load();
  return Object.assign(first, { [Symbol.asyncIterator]: () => itemsOf(first, load) });
}

interface Page {
  readonly items: readonly unknown[];
  readonly nextCursor?: string | null;
}

async function* itemsOf(first: Promise<Page>, load: (query: object) => Promise<Page>): AsyncGenerator<unknown> {
  for (let page = await first; ; ) {
    const { items, nextCursor: cursor } = page;
    yield* items;
    if (!cursor) return;
    page = await load({ cursor });
  }
}
