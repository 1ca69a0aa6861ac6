# Make a tree self-contained: links, dynamic linkers, library paths and first lines of scripts lead into the store. Sourced.

# Links that leave their own directory: into $out where this unit has the target, else into the dependency that has it.
point_links_into_store() {
  raw=$1
  (cd "$raw" && find usr etc -type l) | while read -r link; do
    target=$(readlink "$raw/$link")
    case $target in
      */*) ;;
      *) continue ;;
    esac
    case $link in
      usr/sbin/*) place=$out/bin/${link#usr/sbin/} ;;
      usr/*) place=$out/${link#usr/} ;;
      *) place=$out/$link ;;
    esac
    [ -L "$place" ] || continue
    case $target in
      /*) inside=$target ;;
      *) inside=/$(dirname "$link")/$target ;;
    esac
    # Fails where the link leads to another package; then its own words count.
    found=$(readlink -f "$PWD/$raw$inside") || found=
    found=${found#"$PWD/$raw/"}
    case $found in
      /* | '') found=${inside#/} ;;
    esac
    found=${found#usr/}
    case $found in
      sbin/*) found=bin/${found#sbin/} ;;
    esac
    for root in "$out" $dependencies; do
      if [ -e "$root/$found" ]; then
        ln -sfn "$root/$found" "$place"
        break
      fi
    done
  done
}

# patch_tree TREE
patch_tree() {
  # A foundation has nothing to be linked against, and the dynamic linker must stay as it is.
  [ -n "$linker" ] || return 0
  elf_files "$1" | while read -r file; do
    patch_elf "$file"
  done
  find "$1" -type f -perm -100 | while read -r file; do
    case $(head -c 2 "$file") in
      '#!') patch_script "$file" ;;
    esac
  done
}

patch_elf() {
  read_elf "$1"
  # Objects for the compiler and static programs load nothing.
  [ "$elf_type" != 1 ] && [ "$elf_dynamic" = 1 ] || return 0
  needed=$(patchelf --print-needed "$1")
  # Where it looked on Debian, and where this unit was told to look, below each tree.
  folders=lib/$triplet
  for folder in $libraryFolders; do
    folders="$folders lib/$triplet/$folder"
  done
  former=$(patchelf --print-rpath "$1")
  for old in $(echo "$former" | tr : ' '); do
    case $old in
      /usr/lib/* | /usr/libexec/*) folders="$folders ${old#/usr/}" ;;
    esac
  done
  path=
  for library in $needed; do
    for root in "$out" $dependencies; do
      for folder in $folders; do
        if [ -e "$root/$folder/$library" ]; then
          case :$path: in
            *":$root/$folder:"*) ;;
            *) path=${path:+$path:}$root/$folder ;;
          esac
          break 2
        fi
      done
    done
  done
  if [ "$elf_interpreted" = 1 ]; then
    # DT_RPATH of a program, unlike DT_RUNPATH, also holds for what its libraries load.
    patchelf --set-interpreter "$linker" --force-rpath --set-rpath "$path${extraPath:+:$extraPath}" "$1"
  elif [ -n "$path" ]; then
    patchelf --set-rpath "$path" "$1"
  elif [ -n "$former" ]; then
    patchelf --remove-rpath "$1"
  fi
}

patch_script() {
  [ -n "$shell" ] || return 0
  first=$(head -n 1 "$1" | tr -d '\0')
  case $first in
    '#!/bin/sh'* | '#! /bin/sh'* | '#!/bin/bash'* | '#! /bin/bash'* | '#!/usr/bin/env bash'* | '#!/usr/bin/bash'* | '#!/bin/dash'*)
      sed -i -E "1s,^#! ?(/usr)?/bin/(env )?(ba|da)?sh,#!$shell," "$1"
      ;;
  esac
}

# wrap PROGRAM "NAME=VALUE"...: start a program of $out/bin with variables set unless they are set already.
wrap() {
  program=$out/bin/$1
  shift
  hidden=$out/bin/.${program##*/}-wrapped
  mv "$program" "$hidden"
  {
    echo "#!$shell"
    for setting in "$@"; do
      echo "export ${setting%%=*}=\"\${${setting%%=*}-${setting#*=}}\""
    done
    echo "exec -a \"\$0\" $hidden \"\$@\""
  } > "$program"
  chmod +x "$program"
}
