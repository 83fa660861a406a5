/** Downloads a text as a file. */
export function download(name: string, mediaType: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: mediaType }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The browser reads it after the click, within a minute.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
