# gcc finds its own parts beside its executable; headers and start files it takes from a "sysroot", which is this tree.
ln -s . "$out/usr"
mkdir -p "$out/lib64"
ln -sf "$linker" "$out/lib64/ld-linux-x86-64.so.2"

# The libraries of every C or C++ program: here for linking, and in the store's own places for running.
runtime=
for dependency in $dependencies; do
  case $dependency in
    *-libc6-* | *-libgcc-s1-* | *-libstdc++6-* | *-libgomp1-* | *-libatomic1-*)
      runtime=${runtime:+$runtime:}$dependency/lib/$triplet
      for library in "$dependency/lib/$triplet"/*.so*; do
        [ -e "$out/lib/$triplet/${library##*/}" ] || ln -s "$library" "$out/lib/$triplet/"
      done
      ;;
  esac
done

after_patching() {
  flags="--sysroot=$out -B$out/bin -Wl,--dynamic-linker=$linker -Wl,-rpath,$runtime"
  for pair in gcc:gcc cc:gcc gcc-12:gcc g++:g++ c++:g++ g++-12:g++; do
    name=$out/bin/${pair%%:*}
    rm -f "$name"
    printf '#!%s\nexec %s %s "$@"\n' "$shell" "$out/bin/$triplet-${pair#*:}-12" "$flags" > "$name"
    chmod +x "$name"
  done
  rm -f "$out/bin/cpp"
  printf '#!%s\nexec %s --sysroot=%s "$@"\n' "$shell" "$out/bin/$triplet-cpp-12" "$out" > "$out/bin/cpp"
  chmod +x "$out/bin/cpp"
}
