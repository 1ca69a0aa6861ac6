# Python finds its library beside its executable, so the tree must be one; what is compiled in is put right here.
for name in python python3; do
  ln -sfn python3.11 "$out/bin/$name"
done
sed -i "s,/usr/share/python-wheels,$out/share/python-wheels," "$out/lib/python3.11/ensurepip/__init__.py" \
  "$out"/lib/python3.11/_sysconfigdata_*.py
# A customisation of Debian's, linked into /etc.
rm -f "$out/lib/python3.11/sitecustomize.py"
# Wheels bring libraries that expect these two beside them.
for dependency in $dependencies; do
  case $dependency in
    # What their headers come with is for linking only.
    *-dev-*) ;;
    *-libstdc++6-* | *-zlib1g-* | *-libgcc-s1-* | *-libc6-*) extraPath=${extraPath:+$extraPath:}$dependency/lib/$triplet ;;
  esac
done
# The store cannot be changed, so there is nothing to protect from pip: it installs into the home directory.
rm -f "$out/lib/python3.11/EXTERNALLY-MANAGED"
# Headers and pkg-config files for extensions and for programs that embed Python; the static library takes 30 MB.
rm -f "$out"/lib/python3.11/config-*/*.a "$out/lib/$triplet"/libpython3.11*.a
cp "$out/include/$triplet/python3.11/pyconfig.h" "$out/include/python3.11/pyconfig.h"
rm -rf "${out:?}/include/$triplet"
sed -i "s,/usr,$out," "$out/lib/$triplet/pkgconfig"/python-3.11*.pc
sed -i "s,'/usr/\(include\|lib\),'$out/\1,g; s, /usr/\(include\|lib\), $out/\1,g" "$out"/lib/python3.11/_sysconfigdata_*.py
rm -f "$out/bin/python3.11-config"
sed "s,^prefix_real=.*,prefix_real=$out,; s,-L\$libdir,-L\$libdir -Wl\,-rpath\,\$libdir,g" \
  "$out/bin/$triplet-python3.11-config" > "$out/bin/python3.11-config"
chmod +x "$out/bin/python3.11-config"
ln -sfn python3.11-config "$out/bin/python3-config"
