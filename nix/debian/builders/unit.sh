# Build one unit: see units.nix for the environment.
. "$unpack"
. "$elf"
. "$patch"
# What a fixup may put in its place.
after_patching() { :; }

unpack_debs raw $sources
for wheel in $wheels; do
  mkdir -p wheel
  unzip -q "$wheel" -d wheel
done
for tree in $trees; do
  mkdir -p tree
  tar -xzf "$tree" -C tree
done
drop_unneeded raw

mkdir "$out"
for part in raw/usr/*; do
  name=${part##*/}
  if [ "$name" != sbin ] && [ -n "$(ls -A "$part")" ]; then
    cp -a "$part" "$out/$name"
  fi
done
# As in nixpkgs there is no sbin; where both have a name, that of sbin is a link to the other.
for program in raw/usr/sbin/*; do
  if [ -e "$program" ] || [ -L "$program" ]; then
    mkdir -p "$out/bin"
    [ -e "$out/bin/${program##*/}" ] || cp -a "$program" "$out/bin/"
  fi
done
if [ -n "$(ls -A raw/etc)" ]; then
  cp -a raw/etc "$out/etc"
fi
point_links_into_store raw
if [ -n "$fixup" ]; then
  . "$fixup"
fi
patch_tree "$out"
after_patching
for link in $links; do
  ln -sfn "${link#*=}" "$out/${link%%=*}"
  [ -e "$out/${link%%=*}" ] || { echo "$link: leads nowhere" >&2; exit 1; }
done
echo "$wrappers" | while read -r program settings; do
  [ -z "$program" ] || wrap "$program" $(echo "$settings" | sed "s,@out@,$out,g")
done
# Configuration that Debian's own scripts would have completed.
if [ -d "$out/etc" ]; then
  find "$out/etc" -type l | while read -r link; do
    [ -e "$link" ] || rm "$link"
  done
fi
check_tree "$out"
