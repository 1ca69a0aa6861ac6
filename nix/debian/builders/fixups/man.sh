# man formats pages with the groff beside it.
after_patching() {
  groff=$(echo "$out"/share/groff/[0-9]*)
  [ -d "$groff" ] || { echo "$groff: not the one folder of groff" >&2; return 1; }
  hidden=$out/bin/.man-wrapped
  mv "$out/bin/man" "$hidden"
  {
    echo "#!$shell"
    echo "export PATH=$out/bin:\$PATH"
    echo "export GROFF_FONT_PATH=$groff/font GROFF_TMAC_PATH=$groff/tmac:$out/etc/groff GROFF_BIN_PATH=$out/bin"
    echo "exec -a man $hidden \"\$@\""
  } > "$out/bin/man"
  chmod +x "$out/bin/man"
}
