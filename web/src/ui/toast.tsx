import type { ReactNode } from "react";
import { Toaster, toast } from "sonner";
import "sonner/dist/styles.css";
import { explain } from "../api/explain";
import "./toast.css";

export { toast };

/** Shows that an action failed, and why. */
export function toastError(what: string, error: unknown): void {
  toast.error(what, { description: explain(error) });
}

/** Where toasts appear. */
export function Toasts(): ReactNode {
  return <Toaster position="bottom-right" closeButton containerAriaLabel="Notifications" />;
}
