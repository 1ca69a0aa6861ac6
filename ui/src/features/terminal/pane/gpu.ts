import type { Terminal } from "@xterm/xterm";

const SOFTWARE_GPU = /swiftshader|llvmpipe|softpipe|software|basic render/i;

/** Whether WebGL would run on a graphics card; on a software renderer the DOM is faster. */
function hasRealGpu(): boolean {
  const gl = document.createElement("canvas").getContext("webgl2");
  const info = gl?.getExtension("WEBGL_debug_renderer_info");
  const renderer = gl && info ? String(gl.getParameter(info.UNMASKED_RENDERER_WEBGL)) : "software";
  gl?.getExtension("WEBGL_lose_context")?.loseContext();
  return !SOFTWARE_GPU.test(renderer);
}

/** Has a terminal drawn by the graphics card if there is one; its end takes the add-on with it. */
export async function drawByGpu(terminal: Terminal): Promise<void> {
  if (!hasRealGpu()) return;
  const { WebglAddon } = await import("@xterm/addon-webgl");
  if (!terminal.element?.isConnected) return;
  const webgl = new WebglAddon();
  webgl.onContextLoss(() => webgl.dispose());
  terminal.loadAddon(webgl);
}
