import katex from "katex";
import "katex/dist/katex.min.css";
import { type ReactNode, useLayoutEffect, useRef } from "react";

interface FormulaProps {
  readonly tex: string;
  readonly isBlock: boolean;
}

/** A formula, drawn by KaTeX. What is not TeX is shown as it is, in red. */
export default function Formula({ tex, isBlock }: FormulaProps): ReactNode {
  const place = useRef<HTMLSpanElement>(null);
  useLayoutEffect(() => {
    if (place.current) katex.render(tex, place.current, { displayMode: isBlock, throwOnError: false, maxExpand: 500 });
  }, [tex, isBlock]);
  return <span ref={place} className="formula" data-block={isBlock} dir="ltr" />;
}
