import type { ReactNode } from "react";
import { Erasures } from "./Erasures";
import { Retention } from "./Retention";

/** For how long conversations are kept, and what is erased before that. */
export function DataTab(): ReactNode {
  return (
    <>
      <Retention />
      <Erasures />
    </>
  );
}
