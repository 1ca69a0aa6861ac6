# ELF files: which there are, what their headers say, and whether each finds its dynamic linker and its libraries. Sourced.
#
# No error is taken for an answer: what a file is stands in its headers, so that a patchelf that fails is a failure. Nothing
# is thrown away into /dev/null either: where that cannot be written, commands would not run at all.

patchelf() {
  "$patcher/lib/$triplet/ld-linux-x86-64.so.2" --library-path "$patcher/lib/$triplet" "$patcher/bin/patchelf" "$@"
}

# elf_files TREE: the ELF files below it, one a line.
elf_files() {
  magic=$(printf '\177ELF')
  # grep's exit code 1 means that no file of a batch has such a line.
  find "$1" -type f -exec sh -c 'grep -l "$0" "$@" || [ $? = 1 ]' "^$magic" {} + | while read -r file; do
    if [ "$(head -c 4 "$file")" = "$magic" ]; then
      echo "$file"
    fi
  done
}

# read_elf FILE: sets elf_type (1 object, 2 program, 3 program or library), elf_dynamic and elf_interpreted (0 or 1).
read_elf() {
  elf_dynamic=0 elf_interpreted=0 elf_file=$1
  bytes=$(od -A n -v -t u1 -N 64 "$elf_file")
  set -- $bytes
  elf_type=$((${17} + 256 * ${18}))
  if [ "$5" != 2 ] || [ "${19} ${20}" != "62 0" ]; then
    echo "$elf_file: an ELF file of another machine than x86-64" >&2
    return 1
  fi
  table=$((${33} + 256 * ${34} + 65536 * ${35}))
  size=$((56 * (${57} + 256 * ${58})))
  [ "$size" != 0 ] || return 0
  numbers=$(od -A n -v -t u4 -j "$table" -N "$size" "$elf_file")
  set -- $numbers
  while [ $# -ge 14 ]; do
    case $1 in
      2) elf_dynamic=1 ;;
      3) elf_interpreted=1 ;;
    esac
    shift 14
  done
}

# check_tree TREE: fail, naming all, unless every ELF file below finds its dynamic linker and every library it needs.
# `unresolved` holds the libraries that may be missing (packages.json says why).
check_tree() {
  # The C library's own parts find each other: whoever loads one has loaded the C library and its linker before.
  [ -n "$linker" ] || return 0
  elf_files "$1" > "$NIX_BUILD_TOP/elf-files"
  faults=0
  while read -r file; do
    check_elf "$file"
  done < "$NIX_BUILD_TOP/elf-files"
  if [ "$faults" != 0 ]; then
    echo "$faults ELF files of $1 would not run out of the store" >&2
    return 1
  fi
}

fault() {
  echo "$1: $2" >&2
  faults=$((faults + 1))
}

check_elf() {
  read_elf "$1"
  [ "$elf_type" != 1 ] && [ "$elf_dynamic" = 1 ] || return 0
  if [ "$elf_interpreted" = 1 ]; then
    interpreter=$(patchelf --print-interpreter "$1")
    if [ "$interpreter" != "$linker" ] || [ ! -x "$interpreter" ]; then
      fault "$1" "its interpreter is $interpreter and not $linker"
    fi
  fi
  folders=$(patchelf --print-rpath "$1")
  folders=$(echo "$folders" | sed "s,\${\?ORIGIN}\?,${1%/*},g" | tr : ' ')
  for folder in $folders; do
    case $folder in
      "${NIX_STORE:-/nix/store}"/*) [ -d "$folder" ] || fault "$1" "its rpath names $folder, which does not exist" ;;
      *) fault "$1" "its rpath leads out of the store: $folder" ;;
    esac
  done
  needed=$(patchelf --print-needed "$1")
  for library in $needed; do
    resolves "$library" || fault "$1" "nothing in its rpath has $library"
  done
}

# resolves LIBRARY: in a folder of `folders`, or it is the linker itself, or one that may be missing.
resolves() {
  case " ${linker##*/} $unresolved " in
    *" $1 "*) return 0 ;;
  esac
  for folder in $folders; do
    [ ! -e "$folder/$1" ] || return 0
  done
  return 1
}
