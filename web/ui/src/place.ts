// What a view shows is in its URL, so that it can be sent to somebody.
import { useLocation } from "preact-iso";
import { useCallback } from "preact/hooks";

/** The query of the URL, and how to change it: undefined takes a word away. By default the view before stays one step back. */
export function useQuery(): [Record<string, string>, (change: Record<string, string | undefined>, replace?: boolean) => void] {
  const { query, route } = useLocation();
  const set = useCallback(
    (change: Record<string, string | undefined>, replace = false) => {
      const q = new URLSearchParams(location.search);
      for (const [name, value] of Object.entries(change)) {
        if (value === undefined || value === "") q.delete(name);
        else q.set(name, value);
      }
      const text = q.toString().replaceAll("%3A", ":").replaceAll("%2F", "/");
      route(location.pathname + (text ? `?${text}` : ""), replace);
    },
    [route],
  );
  return [query as Record<string, string>, set];
}
