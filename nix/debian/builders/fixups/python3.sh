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
    *-libstdc++6-* | *-zlib1g-* | *-libgcc-s1-* | *-libc6-*) extraPath=${extraPath:+$extraPath:}$dependency/lib/$triplet ;;
  esac
done
# The store cannot be changed, so there is nothing to protect from pip: it installs into the home directory.
rm -f "$out/lib/python3.11/EXTERNALLY-MANAGED"
