# patchelf with the libraries it needs, unpatched.
. "$unpack"
unpack_debs raw $sources
mkdir "$out"
mv raw/usr/bin raw/usr/lib "$out/"
