import katex from "katex";
import "katex/dist/katex.min.css";
import { type ReactNode, useLayoutEffect, useRef } from "react";

interface FormulaProps {
  readonly tex: string;
  readonly isBlock: boolean;
}

/** A formula, rendered by KaTeX. Invalid TeX is shown as text in red. */
export default function Formula({ tex, isBlock }: FormulaProps): ReactNode {
  const place = useRef<HTMLSpanElement>(null);
  useLayoutEffect(() => {
    if (place.current) katex.render(tex, place.current, { displayMode: isBlock, throwOnError: false, maxExpand: 500 });
  }, [tex, isBlock]);
  return <span ref={place} className="formula" data-block={isBlock} dir="ltr" />;
}
