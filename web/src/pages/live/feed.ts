import type { Millrace, Schemas } from "@millrace/client";
import { SharedStream, scopeOf } from "@millrace/client/shared";
import { useEffect, useRef, useState } from "react";
import { useApi } from "../../app/context";
import { LiveModel, type Pulse } from "./model";

/** How often figures are rendered; pulses are drawn at once. */
const DRAW_MS = 250;
const REPLAY_STEP_MS = 50;

/** `null` is live; a number is the time (milliseconds since 1970) from which the past is replayed. */
export type Moment = number | null;

export interface Feed {
  readonly model: LiveModel;
  /** The number of renderings. */
  readonly version: number;
  readonly link: "connecting" | "open" | "lost" | "asleep" | "replaying" | "ended";
  readonly error: unknown;
  /** The time that is shown. */
  readonly now: number;
}

type OnPulse = (pulse: Pulse) => void;
type OnLink = (link: Feed["link"], error?: unknown) => void;

/** The organization or one agent, live or replayed from a moment on. It pauses while its tab is hidden. */
export function useFeed(moment: Moment, speed: number, agentId: string | null, onPulse: OnPulse): Feed {
  const api = useApi();
  const [feed, setFeed] = useState<Feed>(() => startingFeed(moment));
  const pulse = useRef(onPulse);
  pulse.current = onPulse;
  const isVisible = useVisible();
  const pace = useRef(speed);
  pace.current = speed;
  useEffect(() => {
    if (!isVisible) {
      setFeed((known) => ({ ...known, link: "asleep" }));
      return;
    }
    const abort = new AbortController();
    const model = new LiveModel();
    const clock = { now: moment ?? Date.now() };
    setFeed({ ...startingFeed(moment), model });
    const onLink: OnLink = (link, error = null) => !abort.signal.aborted && setFeed((known) => ({ ...known, link, error }));
    const send: OnPulse = (one) => pulse.current(one);
    const source = { api, agentIds: agentId === null ? [] : [agentId], signal: abort.signal };
    const running = moment === null ? watch(source, model, send, onLink) : replay(source, model, clock, pace, send, onLink);
    running.catch((error: unknown) => onLink("lost", error));
    const timer = setInterval(() => {
      if (moment === null) clock.now = Date.now();
      model.prune(clock.now);
      setFeed((known) => ({ ...known, version: known.version + 1, now: clock.now }));
    }, DRAW_MS);
    return () => {
      abort.abort();
      clearInterval(timer);
    };
  }, [api, moment, agentId, isVisible]);
  return feed;
}

function startingFeed(moment: Moment): Feed {
  return { model: new LiveModel(), version: 0, link: "connecting", error: null, now: moment ?? Date.now() };
}

interface Source {
  readonly api: Millrace;
  /** The agents whose events the server sends; none for all. */
  readonly agentIds: readonly string[];
  readonly signal: AbortSignal;
}

/** Loads a snapshot and follows it; loads another one if too many events were missed. */
async function watch(source: Source, model: LiveModel, onPulse: OnPulse, onLink: OnLink): Promise<void> {
  for (;;) await watchOnce(source, model, onPulse, onLink);
}

/** Tabs that watch the same share one connection, which belongs to a visible tab. */
async function watchOnce(source: Source, model: LiveModel, onPulse: OnPulse, onLink: OnLink): Promise<void> {
  const { api, agentIds, signal } = source;
  const { since, ...snapshot } = await api.commandCenter.snapshot({ agentIds: agentIds.join(",") || null, signal });
  model.load(snapshot);
  onLink("open");
  const open = (last: string | null) =>
    api.commandCenter.stream({
      ...(agentIds.length > 0 && { agentIds }),
      since: last ?? since,
      maxAttempts: Number.POSITIVE_INFINITY,
      onLink: (state) => onLink(state === "waiting" ? "lost" : state),
    });
  const name = `command-center:${await scopeOf(api)}:${agentIds.join(",")}`;
  for await (const event of new SharedStream({ name, after: String(since), signal, open })) {
    if (event.type === "resync") return;
    const pulse = model.apply(event);
    if (pulse) onPulse(pulse);
  }
}

/** Replays events when a clock that runs at `pace` times the normal speed reaches them. */
async function replay(
  { api, agentIds, signal }: Source,
  model: LiveModel,
  clock: { now: number },
  pace: { readonly current: number },
  onPulse: OnPulse,
  onLink: OnLink,
): Promise<void> {
  let cursor: string | null = null;
  const from = new Date(clock.now).toISOString();
  const tick = ticker(clock, pace, signal);
  do {
    const page: Schemas["CommandCenterEventPage"] = await api.commandCenter.listEvents({
      ...(cursor ? { cursor } : { from }),
      agentIds: agentIds.join(",") || null,
      signal,
    });
    onLink("replaying");
    for (const event of page.items) {
      if (!("time" in event)) continue;
      while (Date.parse(event.time) > clock.now) await tick();
      const pulse = model.apply(event);
      if (pulse) onPulse(pulse);
    }
    cursor = page.nextCursor;
  } while (cursor);
  onLink("ended");
}

/** Advances the clock by the time since the last call. */
function ticker(clock: { now: number }, pace: { readonly current: number }, signal: AbortSignal): () => Promise<void> {
  let before = performance.now();
  return async () => {
    await new Promise((resolve) => setTimeout(resolve, REPLAY_STEP_MS));
    signal.throwIfAborted();
    const now = performance.now();
    clock.now += Math.min(now - before, 10 * REPLAY_STEP_MS) * pace.current;
    before = now;
  };
}

function useVisible(): boolean {
  const [isVisible, setVisible] = useState(() => document.visibilityState === "visible");
  useEffect(() => {
    const onChange = () => setVisible(document.visibilityState === "visible");
    document.addEventListener("visibilitychange", onChange);
    return () => document.removeEventListener("visibilitychange", onChange);
  }, []);
  return isVisible;
}
