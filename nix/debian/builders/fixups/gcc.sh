# gcc finds its own parts beside its executable; headers and start files it takes from a "sysroot", which is this tree.
ln -s . "$out/usr"
mkdir -p "$out/lib64"
ln -sf "$linker" "$out/lib64/ld-linux-x86-64.so.2"

# The libraries of every C or C++ program, and those whose headers are here: found for linking in this tree. When programs
# run they find the first in the store's own places, the others where the system has libraries for all.
runtime=
sanitizers=
for dependency in $dependencies; do
  case $dependency in
    *-libc6-* | *-libgcc-s1-* | *-libstdc++6-* | *-libgomp1-* | *-libatomic1-*)
      runtime=${runtime:+$runtime:}$dependency/lib/$triplet ;;
    *-libasan8-* | *-libtsan2-* | *-liblsan0-* | *-libubsan1-*)
      sanitizers=${sanitizers:+$sanitizers:}$dependency/lib/$triplet ;;
  esac
  for library in "$dependency/lib/$triplet"/*.so*; do
    [ -d "$library" ] || [ ! -e "$library" ] || [ -e "$out/lib/$triplet/${library##*/}" ] || ln -sfn "$library" "$out/lib/$triplet/"
  done
done
# Of libraries that are linked dynamically everywhere; they take more room than all the rest.
for name in crypto ssl sqlite3 ncurses ncurses++ ncursesw ncurses++w form formw menu menuw panel panelw history readline; do
  rm -f "$out/lib/$triplet/lib$name.a"
done

after_patching() {
  flags="--sysroot=$out -B$out/bin -Wl,--dynamic-linker=$linker -Wl,-rpath,$runtime"
  for pair in gcc:"gcc cc gcc-12" g++:"g++ c++ g++-12"; do
    compiler=${pair%%:*}
    hidden=$out/bin/.$triplet-$compiler-12
    mv "$out/bin/$triplet-$compiler-12" "$hidden"
    for name in ${pair#*:} "$triplet-$compiler" "$triplet-$compiler-12"; do
      rm -f "$out/bin/$name"
      {
        echo "#!$shell"
        echo "case \" \$* \" in *' -fsanitize='*) set -- \"\$@\" -Wl,-rpath,$sanitizers ;; esac"
        echo "exec $hidden $flags \"\$@\""
      } > "$out/bin/$name"
      chmod +x "$out/bin/$name"
    done
  done
  hidden=$out/bin/.$triplet-cpp-12
  mv "$out/bin/$triplet-cpp-12" "$hidden"
  for name in cpp cpp-12 "$triplet-cpp" "$triplet-cpp-12"; do
    rm -f "$out/bin/$name"
    printf '#!%s\nexec %s --sysroot=%s "$@"\n' "$shell" "$hidden" "$out" > "$out/bin/$name"
    chmod +x "$out/bin/$name"
  done
}
