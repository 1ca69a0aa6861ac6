# Unpack Debian packages into a tree in which /bin, /sbin, /lib, /lib64 are links into /usr, as on a Debian system, so that
# links between files lead where their makers meant. Sourced.

# unpack_debs TREE ARCHIVE...
unpack_debs() {
  tree=$1
  shift
  mkdir -p "$tree/bin" "$tree/sbin" "$tree/usr/bin" "$tree/usr/sbin" "$tree/usr/lib" "$tree/usr/lib64" "$tree/etc"
  for name in lib lib64; do
    ln -s "usr/$name" "$tree/$name"
  done
  for archive in "$@"; do
    case $(ar t "$archive") in
      *data.tar.xz*) ar p "$archive" data.tar.xz | xz -dc | tar -x -C "$tree" ;;
      *data.tar.gz*) ar p "$archive" data.tar.gz | gzip -dc | tar -x -C "$tree" ;;
      *) echo "$archive: a compression that cannot be read" >&2; exit 1 ;;
    esac
    chmod -R u+w "$tree"
  done
  # Some packages have a program in /bin and a link to it of the same name in /usr/bin: the program stays.
  for name in bin sbin; do
    for program in "$tree/$name"/*; do
      place=$tree/usr/$name/${program##*/}
      if [ -L "$place" ] || [ ! -e "$place" ]; then
        # An empty folder leaves the pattern itself.
        if [ -e "$program" ] || [ -L "$program" ]; then
          mv -f "$program" "$place"
        fi
      fi
    done
    rm -rf "${tree:?}/$name"
    ln -s "usr/$name" "$tree/$name"
  done
}

# Documentation beyond man pages, translations and packaging data take more room than the programs.
drop_unneeded() {
  tree=$1
  for name in doc doc-base lintian locale bug bash-completion/completions/apt; do
    rm -rf "${tree:?}/usr/share/$name"
  done
  for folder in "$tree"/usr/share/man/*; do
    case ${folder##*/} in
      man[0-9]) ;;
      *) rm -rf "$folder" ;;
    esac
  done
}
