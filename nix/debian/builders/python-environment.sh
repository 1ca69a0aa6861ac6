# A Python interpreter that knows libraries: its executable and links to its library and to theirs, in one tree, because it
# finds all of them beside its executable. See attributes.nix for the environment.
. "$elf"
mkdir -p "$out/bin" "$out/lib/python3/dist-packages"
cp "$python/bin/python3.11" "$out/bin/python3.11"
for name in python python3; do
  ln -s python3.11 "$out/bin/$name"
done
ln -s "$python/lib/python3.11" "$out/lib/python3.11"
ln -s "$python/share" "$out/share"
ln -s "$python/include" "$out/include"
ln -s "$python/lib/$triplet" "$out/lib/$triplet"
for library in $libraries; do
  for entry in "$library"/lib/python3/dist-packages/*; do
    if [ -e "$entry" ]; then
      ln -sfn "$entry" "$out/lib/python3/dist-packages/"
    fi
  done
  for program in "$library"/bin/*; do
    if [ -f "$program" ] && head -n 1 "$program" | grep -q '^#!.*python3'; then
      sed "1s,.*,#!$out/bin/python3.11," "$program" > "$out/bin/${program##*/}"
      chmod +x "$out/bin/${program##*/}"
    fi
  done
done
# Everything else that the interpreter brings: pydoc, python3-config.
for program in "$python"/bin/*; do
  [ -e "$out/bin/${program##*/}" ] || ln -s "$program" "$out/bin/"
done
check_tree "$out"
