import { type InfiniteData, useInfiniteQuery } from "@tanstack/react-query";
import type { Loadable } from "./states";

export interface Pages<Item> extends Loadable<readonly Item[]> {
  readonly hasMore: boolean;
  readonly isLoadingMore: boolean;
  readonly more: () => void;
}

interface Page<Item> {
  readonly items: readonly Item[];
  readonly nextCursor: string | null;
}

interface PagesOptions<Item> {
  /** Everything that the list depends on, filters included. */
  readonly queryKey: readonly unknown[];
  readonly fetchPage: (cursor: string | null, signal: AbortSignal) => Promise<Page<Item>>;
  /** How often the list is refreshed while its tab is visible; false means never. */
  readonly refetchInterval?: number | false;
  readonly enabled?: boolean;
}

/** A list that the server returns in pages. The first pages are refreshed automatically. */
export function usePages<Item>(options: PagesOptions<Item>): Pages<Item> {
  const query = useInfiniteQuery<Page<Item>, Error, InfiniteData<Page<Item>>, readonly unknown[], string | null>({
    queryKey: options.queryKey,
    queryFn: ({ pageParam, signal }) => options.fetchPage(pageParam, signal),
    initialPageParam: null,
    getNextPageParam: (page) => page.nextCursor,
    refetchInterval: options.refetchInterval ?? false,
    enabled: options.enabled ?? true,
  });
  return {
    data: query.data?.pages.flatMap((page) => page.items),
    error: query.error,
    dataUpdatedAt: query.dataUpdatedAt,
    refetch: query.refetch,
    hasMore: query.hasNextPage,
    isLoadingMore: query.isFetchingNextPage,
    more: () => void query.fetchNextPage(),
  };
}
