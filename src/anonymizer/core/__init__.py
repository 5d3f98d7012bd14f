"""What travels down the road and what every floor needs: types, errors, settings, geometry, signing, planes
and curves.

Nothing here opens a medium, runs a network or imports another package of the program but ``i18n``.
"""
