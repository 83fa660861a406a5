import type { ReactNode } from "react";
import { Erasures } from "./Erasures";
import { Exports } from "./Exports";
import { Retention } from "./Retention";

/** For how long conversations are kept, what is handed out, and what is erased. */
export function DataTab(): ReactNode {
  return (
    <>
      <Retention />
      <Exports />
      <Erasures />
    </>
  );
}
