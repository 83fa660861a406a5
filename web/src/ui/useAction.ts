import { useMutation, useQueryClient } from "@tanstack/react-query";
import { toast, toastError } from "./toast";

interface ActionOptions<Input, Result> {
  readonly run: (input: Input) => Promise<Result>;
  /** The title of a failure: "The pipeline was not started". */
  readonly failure: string;
  readonly success?: string;
  /** The query keys that have to be reloaded afterwards. */
  readonly changes: readonly (readonly unknown[])[];
  readonly onDone?: (result: Result) => void;
}

export interface Action<Input> {
  readonly run: (input: Input) => void;
  readonly isRunning: boolean;
}

/** A command to the server. A failure is shown, and what it changed is loaded again. */
export function useAction<Input = void, Result = unknown>(options: ActionOptions<Input, Result>): Action<Input> {
  const queries = useQueryClient();
  const mutation = useMutation({
    mutationFn: options.run,
    onSuccess: async (result) => {
      if (options.success) toast.success(options.success);
      options.onDone?.(result);
      await Promise.all(options.changes.map((queryKey) => queries.invalidateQueries({ queryKey })));
    },
    onError: (error) => toastError(options.failure, error),
  });
  return { run: (input) => mutation.mutate(input), isRunning: mutation.isPending };
}
