import type { ReactNode } from "react";
import { Icon } from "../../ui/Icon";

interface BranchesProps {
  /** All siblings, oldest first. */
  readonly ids: readonly string[];
  readonly own: string;
  readonly isDisabled: boolean;
  readonly onBranch: (messageId: string) => void;
}

/** Switches between the branches that begin here; shows nothing if there is only one. */
export function Branches({ ids, own, isDisabled, onBranch }: BranchesProps): ReactNode {
  if (ids.length < 2) return null;
  const at = ids.indexOf(own);
  const go = (step: number, label: string) => {
    const id = ids[at + step];
    return (
      <button
        type="button"
        className="bare"
        aria-label={label}
        disabled={isDisabled || !id}
        onClick={() => id && onBranch(id)}
      >
        <Icon name="chevron" />
      </button>
    );
  };
  return (
    <div className="branches" role="group" aria-label="Branches">
      {go(-1, "Previous version")}
      <span>
        {at + 1} / {ids.length}
      </span>
      {go(1, "Next version")}
    </div>
  );
}
