# All locales in UTF-8, as one archive: those in older encodings take more room, and no terminal of today speaks them.
mkdir -p archive/usr/lib/locale
"$linker" --library-path "${linker%/*}" "$out/bin/localedef" --prefix="$PWD/archive" \
  --add-to-archive "$out"/lib/locale/*.utf8*
for locale in "$out"/lib/locale/*; do
  case ${locale##*/} in
    C.utf8) ;;
    *) rm -rf "$locale" ;;
  esac
done
cp archive/usr/lib/locale/locale-archive "$out/lib/locale/locale-archive"
