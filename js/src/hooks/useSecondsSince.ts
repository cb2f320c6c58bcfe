import { useEffect, useState } from "preact/hooks";

/** The seconds since a moment, counted on while they are shown. The kernel's clock may be ahead of this one. */
export function useSecondsSince(since: number): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [since]);
  return Math.max(0, now / 1000 - since);
}
