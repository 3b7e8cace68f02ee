"""Coming in, and the Accounts pages with the return from Amazon's consent page."""

from django.urls import path

from connector.accounts import entry_views, views

entry_urls = [
    path("login", entry_views.login, name="login"),
    path("logout", entry_views.logout, name="logout"),
    path("login/<str:token>", entry_views.login_link, name="login-link"),
    path("first-admin/<str:token>", entry_views.first_admin, name="first-admin"),
]

account_urls = [
    path("accounts", views.account_list, name="accounts"),
    path("accounts/connect", views.connect_account, name="account-connect"),
    path("accounts/callback", views.callback, name="account-callback"),
    path("accounts/paste", views.paste, name="account-paste"),
    path("accounts/<uuid:account_id>", views.account_detail, name="account"),
    path("accounts/<uuid:account_id>/reauthorize", views.reauthorize, name="account-reauthorize"),
    path("accounts/<uuid:account_id>/rename", views.rename, name="account-rename"),
    path("accounts/<uuid:account_id>/test", views.test, name="account-test"),
    path("accounts/<uuid:account_id>/delete", views.delete, name="account-delete"),
]

application_urls = [
    path("accounts/applications/new", views.new_application, name="application-new"),
    path("accounts/applications/<uuid:application_id>", views.application, name="application"),
    path("accounts/applications/<uuid:application_id>/delete", views.delete_application, name="application-delete"),
]

urlpatterns = [*entry_urls, *account_urls, *application_urls]
