/** A WebSocket that the test holds by its other end; it can be slow, break, and lie dead. */
export class TestSocket extends EventTarget {
  static readonly made: TestSocket[] = [];
  readonly sent: (string | Uint8Array)[] = [];
  binaryType = "blob";
  isClosed = false;

  constructor(
    readonly url: string,
    readonly protocol = "",
  ) {
    super();
    TestSocket.made.push(this);
  }

  static get latest(): TestSocket {
    const socket = TestSocket.made.at(-1);
    if (!socket) throw new Error("no socket was made");
    return socket;
  }

  send(data: string | Uint8Array): void {
    if (this.isClosed) throw new Error("sent on a closed socket");
    this.sent.push(data);
  }

  close(): void {
    this.isClosed = true;
  }

  open(): void {
    this.dispatchEvent(new Event("open"));
  }

  text(message: object): void {
    this.dispatchEvent(new MessageEvent("message", { data: JSON.stringify(message) }));
  }

  output(data: Uint8Array, end: number): void {
    const frame = new Uint8Array(8 + data.length);
    new DataView(frame.buffer).setBigUint64(0, BigInt(end));
    frame.set(data, 8);
    this.dispatchEvent(new MessageEvent("message", { data: frame.buffer }));
  }

  break(code = 1006, reason = ""): void {
    this.isClosed = true;
    const event = new Event("close");
    Object.assign(event, { code, reason });
    this.dispatchEvent(event);
  }

  /** Everything that was typed over this socket. */
  get typed(): string {
    const decoder = new TextDecoder();
    return this.sent
      .filter((one) => typeof one !== "string")
      .map((one) => decoder.decode(one as Uint8Array, { stream: true }))
      .join("");
  }

  get messages(): { type: string; [key: string]: unknown }[] {
    return this.sent.filter((one) => typeof one === "string").map((one) => JSON.parse(one as string));
  }
}

export const makeTestSocket = (url: string, protocol?: string): WebSocket =>
  new TestSocket(url, protocol) as unknown as WebSocket;
