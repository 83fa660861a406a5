import { expect, test } from "vitest";
import { type AuditEntry, auditFile } from "../src/pages/settings/auditFile";

const ENTRY: AuditEntry = {
  id: "01M",
  at: "2026-11-26T22:08:12.911Z",
  kind: "act",
  userId: "key:1",
  action: "DELETE /api/keys/{key_id}",
  target: { keyId: 'a"b,c' },
  created: null,
  status: null,
  requestId: "r1",
};

test("JSON Lines have an entry a line, as the API tells it", () => {
  const text = auditFile([ENTRY, ENTRY], "jsonl");
  expect(text.trimEnd().split("\n").map((line) => JSON.parse(line) as unknown)).toEqual([ENTRY, ENTRY]);
});

test("CSV has a header, quotes what needs it, and leaves unknown cells empty", () => {
  const [header, row] = auditFile([ENTRY], "csv").split("\r\n");
  expect(header).toBe("at,kind,userId,action,target,created,status,requestId,id");
  expect(row).toBe('2026-11-26T22:08:12.911Z,act,key:1,DELETE /api/keys/{key_id},"{""keyId"":""a\\""b,c""}",,,r1,01M');
});

test.each(["=1+1", "+1", "-1", "@x"])("a spreadsheet reads %s as text, not as a formula", (userId) => {
  expect(auditFile([{ ...ENTRY, userId }], "csv").split("\r\n")[1]).toContain(`,'${userId},`);
});
