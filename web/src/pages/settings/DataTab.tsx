import type { ReactNode } from "react";
import { Erasures } from "./Erasures";
import { Exports } from "./Exports";
import { Retention } from "./Retention";

/** Retention, exports and erasures. */
export function DataTab(): ReactNode {
  return (
    <>
      <Retention />
      <Exports />
      <Erasures />
    </>
  );
}
