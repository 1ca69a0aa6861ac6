# VS Code's server with what npm installed for it. It is started by the set's node, here and where it looks for one itself.
home=$out/lib/code-server/node_modules/code-server
mkdir -p "$out/lib" "$out/bin"
cp -a tree "$out/lib/code-server"
chmod -R u+w "$out/lib/code-server"
ln -s "$uses/bin/node" "$home/lib/node"
# The extensions look for TypeScript beside themselves.
ln -s ../node_modules "$home/lib/vscode/extensions/node_modules"
chmod +x "$home/lib/vscode/bin/remote-cli/code-linux.sh" "$home/lib/vscode/bin/helpers/browser-linux.sh"
ln -sfn code-linux.sh "$home/lib/vscode/bin/remote-cli/code-server"
ln -sfn browser-linux.sh "$home/lib/vscode/bin/helpers/browser.sh"
# In the place of two native modules, which are not built: the log files, and a number for telemetry, which is off.
modules=$home/lib/vscode/node_modules/@vscode
mkdir "$modules/spdlog" "$modules/deviceid"
cat > "$modules/spdlog/index.js" << 'END'
const { appendFileSync, mkdirSync, renameSync, statSync } = require("node:fs");
const { dirname } = require("node:path");

const LEVELS = ["trace", "debug", "info", "warn", "error", "critical"];

class Logger {
  constructor(file, most) {
    Object.assign(this, { file, most, level: 2, plain: false });
    mkdirSync(dirname(file), { recursive: true });
  }
  write(level, text) {
    if (level < this.level) return;
    try {
      const shown = this.plain ? text : `${new Date().toISOString()} [${LEVELS[level]}] ${text}\n`;
      appendFileSync(this.file, shown);
      if (statSync(this.file).size > this.most) renameSync(this.file, `${this.file}.1`);
    } catch {} // a full disk ends no editor
  }
  setLevel(level) { this.level = level; }
  clearFormatters() { this.plain = true; }
  setPattern() {}
  flush() {}
  drop() {}
}
LEVELS.forEach((name, level) => { Logger.prototype[name] = function (text) { this.write(level, text); }; });

exports.setFlushOn = () => {};
exports.createAsyncRotatingLogger = async (_name, file, most) => new Logger(file, most);
END
echo 'exports.getDeviceId = async () => "";' > "$modules/deviceid/index.js"
after_patching() {
  printf '#!%s\nexec %s/bin/node %s/out/node/entry.js "$@"\n' "$shell" "$uses" "$home" > "$out/bin/code-server"
  chmod +x "$out/bin/code-server"
}
