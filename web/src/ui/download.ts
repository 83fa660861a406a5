/** Hands a text to the browser as a file. */
export function download(name: string, mediaType: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: mediaType }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The browser reads it after the click; a minute later it has.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
